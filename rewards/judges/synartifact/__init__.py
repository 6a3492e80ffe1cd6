"""SynArtifact's judges: a classifier and a detector of artifacts."""
