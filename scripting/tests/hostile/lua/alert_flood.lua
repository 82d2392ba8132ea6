-- asides: alerts without end.
function update(pkt) for n = 1, 1000 do alert("critical", "x", { n = n }) end end
function export() return { n = 1 } end
