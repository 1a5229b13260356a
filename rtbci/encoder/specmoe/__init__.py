"""SpecMoE (arXiv 2603.16739), written from its description: three experts of their own, weighed by the spectrum."""
