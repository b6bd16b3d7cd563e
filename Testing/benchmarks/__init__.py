"""The engine measured against peers: `python -m Testing.benchmarks [NAME]`, see README.md."""
