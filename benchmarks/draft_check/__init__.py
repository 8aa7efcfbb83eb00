"""How well a look at the cheap draft says which function calls need the reason lane."""
