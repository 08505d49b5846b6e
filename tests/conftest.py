"""What all tests start from."""

import signal

# A shell that starts the tests in the background has this signal ignored, which every process of
# theirs would inherit; and what Ctrl-C does is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)
