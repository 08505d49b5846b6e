"""The admin's command: asks a Watchtower collector over its HTTP interface."""
