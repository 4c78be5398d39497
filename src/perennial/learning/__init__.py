"""How a network learns: algorithms (the definitions), networks, losses, and the engines that compute them."""
