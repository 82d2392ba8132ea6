-- refused: a source of brackets.
x = ⟪40000*(⟫1⟪40000*)⟫
