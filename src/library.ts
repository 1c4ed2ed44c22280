/**
 * Pointsman as a library: configurations, plans and the IPVS table of this machine, without the daemon. docs/library.md is the
 * guide; nothing else of the package may be imported.
 *
 * @packageDocumentation
 */

export type { Issue } from './document/issue.ts'
export { formatIssue } from './document/issue.ts'
export type { ErrorCode } from './errors.ts'
export { PointsmanError } from './errors.ts'
export type { ApplyResult, ObjectResult } from './library/apply-result.ts'
export type { DesiredOptions } from './library/desired-state.ts'
export { desiredState } from './library/desired-state.ts'
export type { Ipvs, OpenOptions, ReadOptions } from './library/ipvs.ts'
export { apply, openIpvs, readTable } from './library/ipvs.ts'
export type { ParsedConfiguration, ParseOptions } from './library/parse-configuration.ts'
export { parseConfiguration } from './library/parse-configuration.ts'
export type { PlanOptions, TablePlan } from './library/plan.ts'
export { plan } from './library/plan.ts'
export type { AddressFamily, IpAddress, Port } from './model/address.ts'
export { formatEndpoint, parseAddress } from './model/address.ts'
export type { Backend } from './model/backend.ts'
export type { Change, ChangeCause, ForeignObject } from './model/change.ts'
export type { DesiredDestination, DesiredService, DesiredState } from './model/desired-state.ts'
export type { Destination, DestinationKey, Forwarding, Tunnel, UnknownForwarding } from './model/destination.ts'
export { destinationKey, forwardingText } from './model/destination.ts'
export type {
  ConnectionCounts,
  DestinationReading,
  IpvsTable,
  ServiceReading,
  TrafficCounters,
} from './model/ipvs-table.ts'
export type { ServiceSpec } from './model/service-spec.ts'
export type {
  Persistence,
  Protocol,
  Scheduler,
  SchedulerFlags,
  ServiceIdentity,
  ServiceKey,
  VirtualService,
} from './model/virtual-service.ts'
export { SCHEDULERS, serviceKey } from './model/virtual-service.ts'
export type { Drain, OwnedService, OwnershipRecord } from './store/ownership-record.ts'
