# One director on every client node of the class "director": nomad job run deploy/nomad/pointsman.nomad.hcl
# The nodes have the Debian package (or the program of npm) and IPVS (modules-load.d); they allow the driver raw_exec.
# The driver exec would give the program a file system without /usr/lib/pointsman.
job "pointsman" {
  type     = "system"
  priority = 90

  constraint {
    attribute = "${node.class}"
    value     = "director"
  }

  # One node after the other, and none while the one before it is not ready. Traffic goes on meanwhile: the table is the kernel's.
  update {
    max_parallel     = 1
    min_healthy_time = "10s"
    healthy_deadline = "2m"
    stagger          = "30s"
  }

  group "director" {
    network {
      mode = "host"
      port "admin" { static = 9095 }
    }

    restart {
      attempts = 10
      interval = "5m"
      delay    = "1s"
      mode     = "delay"
    }

    service {
      name     = "pointsman"
      provider = "nomad"
      port     = "admin"

      check {
        type     = "http"
        path     = "/readyz"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "pointsman" {
      driver = "raw_exec"

      config {
        command = "/usr/bin/pointsman"
        args    = ["start", "--config", "${NOMAD_TASK_DIR}/pointsman.yaml", "--state-dir", "/var/lib/pointsman", "--admin", "${NOMAD_ADDR_admin}"]
      }

      # A change of the configuration is a reload, never a restart.
      template {
        destination   = "local/pointsman.yaml"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = <<YAML
services:
  - name: web
    listen: 10.0.0.1:80
    scheduler: wrr
    source:
      consul: { service: web, address: "http://127.0.0.1:8500" }
YAML
      }

      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      resources {
        cpu    = 200
        memory = 256
      }
    }
  }
}
