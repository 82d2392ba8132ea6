-- grants: the wall clock, again and again, hidden.
function update(pkt) for _ = 1, 1000 do pcall(time.now) end end
function export() return { n = 1 } end
