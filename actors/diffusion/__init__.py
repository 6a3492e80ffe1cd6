"""The policy and how it draws: pipelines, transitions, sampler."""
