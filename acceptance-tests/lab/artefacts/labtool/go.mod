module kubeone.lab/labtool

go 1.25.0
