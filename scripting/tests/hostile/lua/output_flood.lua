-- asides|cpu: rows to an output without end.
outputs = { o = { n = "uint", s = "text" } }
function update(pkt) for n = 1, 1000 do output("o", { n = n, s = "0123456789" }) end end
function export() return { n = 1 } end
