-- refused: a constant as long as a script may be.
x = "⟪250000*y⟫"
