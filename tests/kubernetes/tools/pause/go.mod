module meshwright.test/pause

go 1.24
