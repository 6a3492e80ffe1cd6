"""The rollout actors of a run: who lives, who draws what."""
