"""What this library costs, beside careful code by hand and kinto-http: `python -m benchmarks`."""
