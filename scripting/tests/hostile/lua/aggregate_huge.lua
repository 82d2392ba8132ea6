-- refused: a bitmap for more than there are.
value = { q = bitmap("flow", 2 ^ 60) }
