"""The routes, one file each; ``docs/api/collector-api.md`` describes them to their users."""
