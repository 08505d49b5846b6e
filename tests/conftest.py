"""What all tests start from."""

import signal

from hypothesis import settings

# A shell that starts the tests in the background has this signal ignored, which every process of
# theirs would inherit; and what Ctrl-C does is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no defect.
settings.register_profile("watchtower", deadline=None)
settings.load_profile("watchtower")
