"""How a fetch reaches the network: by httpcore, to checked addresses alone."""
