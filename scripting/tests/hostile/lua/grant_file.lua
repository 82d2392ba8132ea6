-- grants: files that nobody granted, by odd names.
function update() end
function export()
  for _, path in { "/etc/passwd", "../../etc/passwd", "/proc/self/environ", "/dev/zero", "a\0b",
    string.rep("a/", 100000), "", "/", ".", "~root" } do
    pcall(file.read, path)
  end
  for _, odd in { {}, 0 / 0, 2 ^ 70, true, addr("10.0.0.1") } do pcall(file.read, odd) end
  return { got = file.read("/etc/passwd") }
end
