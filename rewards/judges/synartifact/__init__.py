"""SynArtifact's judges: they name artifacts and find them."""
