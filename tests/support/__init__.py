"""What the tests share: servers, proxies that fail, other processes, and worlds made of them."""
