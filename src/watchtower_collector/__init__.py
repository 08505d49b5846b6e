"""Watchtower's collector: takes events from the agents, keeps them, answers questions."""
