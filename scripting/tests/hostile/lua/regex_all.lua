-- error|cpu: a pattern whose every match looks at the rest of a long text.
local long = string.rep("A", 65536)
function update(pkt)
  pcall(regex.replace, ".*[^A-Z]|[A-Z]", long, "")
  regex.count(".*[^A-Z]|[A-Z]", string.rep("A", 4096))
  regex.count(".*[^A-Z]|[A-Z]", long)
end
function export() return { n = 1 } end
