"""The run: config, ledger, weight store, launch, live curves, report and command line."""
