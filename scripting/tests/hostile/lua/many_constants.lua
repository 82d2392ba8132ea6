-- refused: more constants than a function holds.
local t = {⟪20000*"c#",⟫}
x = t
