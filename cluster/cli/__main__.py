"""`python -m cluster.cli`, for where the `salon` command is not on the path."""

from __future__ import annotations

from cluster.cli.main import main

main()
