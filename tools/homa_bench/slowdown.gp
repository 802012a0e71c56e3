# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#
# Slowdown by message length, as the Homa papers draw it: each tenth of the messages has the same room on
# the x axis, its longest message is the label.
#
#   homa_bench client 10.0.0.2 -w W3 -l 5000 -d 10 --csv w3.csv
#   gnuplot -e "csv='w3.csv'; out='w3.svg'" slowdown.gp
#
# csv: what homa_bench wrote; out: an .svg file; name: the title, if there shall be one.

if (!exists("csv")) csv = 'slowdown.csv'
if (!exists("out")) out = 'slowdown.svg'
if (!exists("name")) name = ''

set datafile separator ','
set terminal svg size 800,500 dynamic background 'white'
set output out
set title name noenhanced
set xlabel 'longest message of each tenth, bytes'
set ylabel 'slowdown'
set logscale y
set yrange [1:*]
set xrange [0.5:10.5]
set grid ytics
set key top left
plot csv every ::1 using 1:9:xtic(3) with linespoints linewidth 2 title 'P99', \
     csv every ::1 using 1:8 with linespoints linewidth 2 title 'P50', \
     csv every ::1 using 1:10 with points title 'P99.9'
