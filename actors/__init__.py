"""Rollouts: prompts, the policy, its transitions, and the actors that sample trajectories."""
