-- refused: a source of one long sum.
x = 1⟪40000* + 1⟫
