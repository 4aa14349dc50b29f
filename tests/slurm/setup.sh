#!/usr/bin/env bash
# A SLURM of one node on this machine, for tests/slurm/run.sh. As root, on Debian: apt-get install slurm-wlm munge
# It writes /etc/slurm/slurm.conf and starts munged, slurmctld and slurmd; `setup.sh stop` stops them.
set -euo pipefail

host=$(hostname -s)
cores=${CORES:-2}
memory=${MEMORY_MB:-8000}

if [ "${1:-start}" = stop ]; then
    for name in slurmd slurmctld munged; do
        [ -f "/run/rasd_slurm/$name.pid" ] && kill "$(cat "/run/rasd_slurm/$name.pid")" || true
    done
    exit 0
fi

[ "$(id -u)" = 0 ] || { echo "run this as root" >&2; exit 2; }
for program in munged slurmctld slurmd; do
    command -v $program > /dev/null || { echo "$program is missing: apt-get install slurm-wlm munge" >&2; exit 2; }
done

mkdir -p /run/rasd_slurm /run/munge /var/spool/rasd_slurm/{ctld,d} /var/log/munge
chown munge: /run/munge /var/log/munge
[ -f /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none; chown munge: /etc/munge/munge.key; chmod 400 /etc/munge/munge.key; }

cat > /etc/slurm/slurm.conf << CONF
ClusterName=rasd
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=cred_expire=10
CryptoType=crypto/munge
SlurmUser=root
SlurmctldPidFile=/run/rasd_slurm/slurmctld.pid
SlurmdPidFile=/run/rasd_slurm/slurmd.pid
StateSaveLocation=/var/spool/rasd_slurm/ctld
SlurmdSpoolDir=/var/spool/rasd_slurm/d
SlurmctldLogFile=/var/spool/rasd_slurm/slurmctld.log
SlurmdLogFile=/var/spool/rasd_slurm/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=10
OverTimeLimit=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF

pgrep -x munged > /dev/null || runuser -u munge -- munged --pid-file=/run/munge/munged.pid
ln -sf /run/munge/munged.pid /run/rasd_slurm/munged.pid
slurmctld
slurmd
for _ in $(seq 30); do
    sinfo -h -o %t 2> /dev/null | grep -qE 'idle|mix|alloc' && break
    sleep 1
done
sinfo
