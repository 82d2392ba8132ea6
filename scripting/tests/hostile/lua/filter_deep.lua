-- refused: a filter that nests without end.
local f = filter(string.rep("not (", 50000) .. "udp" .. string.rep(")", 50000))
value = { n = count() }
