# SPDX-License-Identifier: Apache-2.0
# Draws docs/performance.svg of docs/performance.dat:
#     gnuplot tests/bench/growth.gnuplot		(from the top folder)
data = "docs/performance.dat"
set terminal svg size 900,900 font "sans,12" background "white" name "performance"
set output "docs/performance.svg"
set logscale xy
set xtics ("1" 1, "100" 100, "1,000" 1000, "10,000" 10000, "100,000" 100000)
set xlabel "replications" offset 0,0.6
set grid
set key outside bottom center horizontal maxcols 2
set style data linespoints
set multiplot layout 2,2

set title "One of them, local store"
set ylabel "µs"
plot data index 0 using 1:"read" title "open, read, close of state", \
	"" index 0 using 1:"stat" title "stat", \
	"" index 0 using 1:(1000*column("write")) title "an accepted write", \
	"" index 0 using 1:(1000*column("event")) title "... and its event"

set title "All of them, local store"
set ylabel "s"
plot data index 0 using 1:"ls" title "ls of all namespaces", \
	"" index 0 using 1:"find" title "find", \
	"" index 0 using 1:"grep" title "grep over state, cold", \
	"" index 0 using 1:"start" title "start", \
	"" index 0 using 1:"failover" title "fail over"

set title "Memory, local store"
set ylabel "MiB"
plot data index 0 using 1:"memory" title "of the daemon"

set title "All of them, Kubernetes store"
set ylabel "s"
plot data index 1 using 1:"get" title "kubectl get uvr -A", \
	"" index 1 using 1:"grep" title "grep over state, cold", \
	"" index 1 using 1:"start" title "start", \
	"" index 1 using 1:"failover" title "fail over"
