"""The ledger of tickets, the weight store, and their Ray actors."""
