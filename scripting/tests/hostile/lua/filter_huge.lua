-- refused: a filter as long as memory allows.
local f = filter(string.rep("tcp or ", 1000000) .. "udp")
value = { n = count() }
