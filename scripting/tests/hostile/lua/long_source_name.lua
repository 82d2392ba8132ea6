-- refused: a source of one long name.
⟪200000*x⟫ = 1
