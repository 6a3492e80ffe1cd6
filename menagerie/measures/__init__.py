"""What the cards of the small models say: each function measures one model on what no recipe trains on."""
