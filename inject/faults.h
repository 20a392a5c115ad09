/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRINK_FAULTS_H
#define BRINK_FAULTS_H

#include "inject/fault.h"

/* One file a fault. A new one is named here and in the registry of fault.c, and nowhere else. */
extern const struct fault_ops net_delay_fault, net_loss_fault, net_duplicate_fault,
	net_corrupt_fault, net_reorder_fault, net_rate_fault, net_slot_fault, net_impair_fault,
	net_drop_fault, net_dns_fault, net_partition_fault, net_reset_fault, net_port_taken_fault,
	net_link_down_fault, net_mtu_fault, proc_kill_fault, proc_pause_fault, disk_fill_fault;

#endif
