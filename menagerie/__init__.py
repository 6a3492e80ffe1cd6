"""The embedded world: drawn pictures with ground truth, and small trained models of every class."""

FORMER_KINDS = {"heldout": "menagerie.heldout_judge:HeldoutJudge"}
"""Kinds of judges that configs used to name, and the `kind` that they have here."""
