"""Wiring drawings (SVG) and bills of material, made from boards, profiles and poles by `make gen`.

`canvas` writes the SVG and knows how wide a text is, `wires` says which wire has which colour and letter, `symbols`
holds what is drawn again and again, `board_*` draw a node's board, `pole_*` a whole pole, `bill*` list the parts,
`made` writes the files and checks that they are fresh.
"""
