"""How cost grows with records, collections, clients, servers and processes."""
