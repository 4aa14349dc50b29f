"""Small experiments: stages of a job, few labelled cases, compact networks; shared by the demo and the benchmarks."""
