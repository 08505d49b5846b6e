"""The commands, one file each; ``watchtowerctl.app`` puts them together."""
