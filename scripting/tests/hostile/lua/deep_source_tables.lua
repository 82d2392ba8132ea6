-- refused: a source of braces.
x = ⟪40000*{⟫⟪40000*}⟫
