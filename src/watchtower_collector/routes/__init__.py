"""The routes, one file each; ``docs/api`` describes them to their users."""
