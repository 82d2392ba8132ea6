-- refused: a source of functions.
⟪10000*function f() ⟫
