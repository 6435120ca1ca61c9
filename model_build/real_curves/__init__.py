"""How the network does on real light curves that nobody trained or tuned on."""
