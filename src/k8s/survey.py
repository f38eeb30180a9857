import json, os
def litellm():
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and int(pid) != os.getpid() and b"litellm" in open("/proc/%s/cmdline" % pid, "rb").read():
                return True
        except OSError:
            pass
    return False
def first(folders, fits):
    for folder in folders:
        if folder and fits(folder):
            return folder
def runs(folder):
    try:
        return os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & os.ST_NOEXEC
    except OSError:
        return False
def memory():
    try:
        return open("/proc/sys/vm/memfd_noexec").read().strip() != "2"
    except OSError:
        return hasattr(os, "memfd_create")
home = first(os.environ.get("PATH", "").split(":"), lambda f: os.access(os.path.join(f, "capture"), os.X_OK))
print(json.dumps({
    "uid": os.getuid(),
    "machine": os.uname().machine,
    "program": home and os.path.join(home, "capture"),
    "memory": memory() and hasattr(os, "memfd_create"),
    "place": first([os.environ.get("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm", os.environ.get("HOME")], runs),
    "litellm": litellm(),
}))
