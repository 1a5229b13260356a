"""The Riemannian family compared: what `tools.riemann_family` is made of."""
