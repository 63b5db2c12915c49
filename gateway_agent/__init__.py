"""The gateway agent: collects the nodes of one pole, keeps what matters and speaks with the city platform."""
