-- output: store makes much of little.
key = { a = "ip.dst", p = "ip.proto", s = "sport", d = "ip.src" }
value = { n = count() }
function store() return ("x"):rep(2 ^ 23) end
function load() return {} end
