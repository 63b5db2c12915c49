"""Starts the node. The files that it needs lie beside it on the flash: node/, protocols/ and node.tab."""

import node.app

node.app.main()
